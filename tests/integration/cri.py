"""A client of containerd's CRI: what a kubelet asks for when it starts a pod with one container and removes it again."""

import os
import uuid

from commands import Failure, wait_until
from grpc_api import GrpcApi

PROTO = "tests/integration/proto/cri"
CREATED, RUNNING, EXITED = range(3)  # ContainerState
POD, NODE = 0, 2                     # NamespaceMode; with the node's network no CNI plugin is needed
RUN_SECONDS = 30


class Cri:
    """Talks to a started node, whose containerd serves CRI."""

    namespace = "k8s.io"  # containerd's, for everything of CRI

    def __init__(self, node):
        api = GrpcApi(node.case.scratch, node.containerd_socket, ())
        self._runtime = api.service(PROTO, "RuntimeService")
        self._images = api.service(PROTO, "ImageService")
        self._cgroup_parent = f"/{node.namespace}"
        self._logs = f"{node.directory}/pods"

    def pull(self, image):
        """Returns the image ID."""
        return self._images.call("PullImage", image={"image": image}, sandbox_config=self._pod_config("pull")).image_ref

    def names(self):
        """All names of all images, digests included."""
        return {name for image in self._images.call("ListImages").images
                for name in (*image.repo_tags, *image.repo_digests)}

    def remove(self, image):
        self._images.call("RemoveImage", image={"image": image})

    def run(self, image, command, root=None):
        """Runs a command in a container of a new pod and removes both; returns the output. A Failure if it fails.

        root: the host's id of root in a user namespace of the pod, with which comes a network of its own.
        """
        config = self._pod_config(f"pod-{uuid.uuid4()}", root)
        os.makedirs(config["log_directory"])
        pod = self._runtime.call("RunPodSandbox", config=config).pod_sandbox_id
        try:
            return self._run_in(pod, config, image, command)
        finally:
            self._runtime.call("StopPodSandbox", pod_sandbox_id=pod)
            self._runtime.call("RemovePodSandbox", pod_sandbox_id=pod)

    def _run_in(self, pod, pod_config, image, command):
        container = self._runtime.call(
            "CreateContainer", pod_sandbox_id=pod, sandbox_config=pod_config,
            config={"metadata": {"name": "only"}, "image": {"image": image}, "command": command, "log_path": "log",
                    "linux": {"security_context": {
                        "namespace_options": pod_config["linux"]["security_context"]["namespace_options"]}}}).container_id
        self._runtime.call("StartContainer", container_id=container)

        def ended():
            status = self._runtime.call("ContainerStatus", container_id=container).status
            return status if status.state not in (CREATED, RUNNING) else None
        status = wait_until(ended, RUN_SECONDS, f"the end of the container of {image}")
        output = _read_log(f"{pod_config['log_directory']}/log")
        if status.state != EXITED or status.exit_code != 0:
            raise Failure(f"{image} in a pod: exit status {status.exit_code} {status.reason} {status.message}\n{output}")
        self._runtime.call("RemoveContainer", container_id=container)
        return output

    def _pod_config(self, name, root=None):
        ids = [{"host_id": root, "container_id": 0, "length": 65536}]
        namespaces = {"network": NODE} if root is None else {
            "network": POD, "userns_options": {"mode": POD, "uids": ids, "gids": ids}}
        return {"metadata": {"name": name, "uid": name, "namespace": "default"}, "log_directory": f"{self._logs}/{name}",
                "linux": {"cgroup_parent": self._cgroup_parent,
                          "security_context": {"namespace_options": namespaces}}}


def _read_log(path):
    """What the container wrote. A line of CRI's log: time, stream, F (whole line) or P (a part), text."""
    with open(path, encoding="utf-8") as file:
        parts = [line.rstrip("\n").split(" ", 3) for line in file]
    return "".join(text + ("\n" if tag == "F" else "") for _, _, tag, text in parts)
