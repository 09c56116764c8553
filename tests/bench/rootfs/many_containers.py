"""What containers of one image cost, and whether others are slower beside them."""

from kernel_figures import count_mounts, drop_caches, kernel_memory, page_cache, process_memory
from workloads import BIG_MIB, CONTAINER, OPEN, PYTHON, READ_BIG

COSTS = "costs"
MIB = 1 << 20
MEMORY_OF = 100  # containers


def measure_costs(count, file_system, image, samples):
    """Starts containers that look at every file of the image, one and then `count` in all."""
    drop_caches()
    mounts, memory = count_mounts(), kernel_memory()
    started = [_start_looking(file_system, image)]
    first_mounts, first_memory = count_mounts() - mounts, kernel_memory() - memory
    started += [_start_looking(file_system, image) for _ in range(count - 1)]
    all_memory = kernel_memory() - memory

    def add(row, unit, value):
        samples.add(COSTS, row, unit, file_system.name, value)

    add("mounts on the host, 1 container", "", first_mounts)
    add(f"mounts on the host, {count} containers", "", count_mounts() - mounts)
    further = (all_memory - first_memory) / max(1, count - 1)
    add(f"kernel memory of {MEMORY_OF} containers", "MiB", (first_memory + further * (MEMORY_OF - 1)) / MIB)
    add(f"processes of Stowage, {count} containers", "MiB", process_memory(file_system.daemons()) / MIB)
    for name in started:
        file_system.stop(name)


def _start_looking(file_system, image):
    name, pid = file_system.start()
    image.probe_milliseconds("walk", f"/proc/{pid}/root/nix", [])
    return name


def measure_beside(count, file_system, image, root, samples):
    """Workloads while `count` containers run that do nothing. root: where the file system is mounted"""
    started = [file_system.start()[0] for _ in range(count)]
    for workload in (CONTAINER, PYTHON, OPEN):
        image.measure(workload, file_system, root)
        for _ in range(workload.repeats):
            samples.add(f"{count} containers", workload.name, workload.unit, file_system.name,
                        image.measure(workload, file_system, root))
    for name in started:
        file_system.stop(name)


def measure_page_cache(file_system, image, root, samples):
    """How often a file is in the page cache when a container has read it, and when the host has as well."""
    drop_caches()
    before = page_cache()
    for reader, directory in (("a container", root), ("a container and the host", "/")):
        image.probe_milliseconds(READ_BIG.operation, directory, [image.big])
        samples.add(COSTS, f"copies in the page cache, read by {reader}", "", file_system.name,
                    (page_cache() - before) / (BIG_MIB * MIB))
