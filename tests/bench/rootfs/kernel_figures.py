"""What the kernel says of its caches, mounts and memory."""

import os


def drop_caches():
    """Pages, names and inodes that nothing uses."""
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w", encoding="utf-8") as file:
        file.write("3")


def meminfo(*fields):
    """The sum of some fields of /proc/meminfo, bytes."""
    with open("/proc/meminfo", encoding="utf-8") as file:
        values = dict(line.split(":") for line in file)
    return sum(int(values[field].split()[0]) << 10 for field in fields)


def page_cache():
    return meminfo("Cached")


def kernel_memory():
    """Objects (inodes, names, mounts, superblocks) and what each CPU has of them; no pages of files."""
    return meminfo("Slab", "Percpu")


def count_mounts():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return len(file.readlines())


def process_memory(pids):
    """Bytes; pages that are shared count in part (PSS)."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
            total += sum(int(line.split()[1]) << 10 for line in file if line.startswith("Pss:"))
    return total
