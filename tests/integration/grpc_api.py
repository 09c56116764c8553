"""Calls to containerd over gRPC. Messages come from the .proto files of proto/ and tests/integration/proto/ by protoc."""

import importlib
import sys

import grpc
from commands import Failure, run

HERE = __file__.rpartition("/")[0]
ROOT = f"{HERE}/../.."
PROTO_FILES = ("proto/containerd/types.proto", "proto/containerd/content.proto", "proto/containerd/images.proto",
               "proto/containerd/leases.proto", "proto/containerd/snapshots.proto",
               "tests/integration/proto/cri.proto", "tests/integration/proto/diff.proto")


class RpcFailure(Failure):
    """A call was answered with an error; code is grpc.StatusCode."""

    def __init__(self, what, error):
        super().__init__(f"{what}: {error.code().name}: {error.details()}")
        self.code = error.code()


class GrpcApi:
    """A connection to containerd's socket.

    scratch: a directory for generated code. metadata: sent with every call, as containerd's namespace is.
    """

    def __init__(self, scratch, socket, metadata):
        generated = f"{scratch}/generated"
        if generated not in sys.path:
            run(["mkdir", "-p", generated])
            run(["protoc", f"--python_out={generated}", "-I", ROOT, *PROTO_FILES], cwd=ROOT)
            sys.path.insert(0, generated)
        self._channel = grpc.insecure_channel(f"unix://{socket}")
        self._metadata = metadata

    def service(self, proto_file, name):
        """A service by its name in one of PROTO_FILES (without .proto)."""
        module = importlib.import_module(proto_file.replace("/", ".") + "_pb2")
        return Service(self._channel, module.DESCRIPTOR.services_by_name[name], self._metadata)

    def close(self):
        self._channel.close()


class Service:
    """The methods of a service. Messages are given and nested as keyword arguments and dictionaries."""

    def __init__(self, channel, descriptor, metadata):
        self._channel = channel
        self._descriptor = descriptor
        self._metadata = metadata

    def call(self, method, seconds=60, **fields):
        """A unary call; returns the answer. Errors: RpcFailure."""
        path, request_class, options = self._method(method)
        try:
            return self._channel.unary_unary(path, **options)(request_class(**fields), timeout=seconds,
                                                              metadata=self._metadata)
        except grpc.RpcError as error:
            raise RpcFailure(f"{path} {fields}", error) from None

    def stream(self, method, seconds=60, **fields):
        """A call answered by a stream; returns the list of its messages."""
        path, request_class, options = self._method(method)
        try:
            return list(self._channel.unary_stream(path, **options)(request_class(**fields), timeout=seconds,
                                                                    metadata=self._metadata))
        except grpc.RpcError as error:
            raise RpcFailure(f"{path} {fields}", error) from None

    def exchange(self, method, requests, seconds=60):
        """A call with a stream of requests (dictionaries) and one of answers; returns the list of these."""
        path, request_class, options = self._method(method)
        try:
            return list(self._channel.stream_stream(path, **options)(
                (request_class(**fields) for fields in requests), timeout=seconds, metadata=self._metadata))
        except grpc.RpcError as error:
            raise RpcFailure(path, error) from None

    def _method(self, name):
        method = self._descriptor.methods_by_name[name]
        # the one way to a message's class that protobuf 3 and 4 share
        request_class, answer_class = (message._concrete_class for message in (method.input_type, method.output_type))
        return (f"/{self._descriptor.full_name}/{name}", request_class,
                {"request_serializer": request_class.SerializeToString, "response_deserializer": answer_class.FromString})
