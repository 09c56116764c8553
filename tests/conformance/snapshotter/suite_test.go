// Package conformance runs containerd's own snapshotter suite against a snapshotter behind a socket.
package conformance

import (
	"context"
	"flag"
	"net"
	"testing"

	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	"github.com/containerd/containerd/snapshots"
	"github.com/containerd/containerd/snapshots/proxy"
	"github.com/containerd/containerd/snapshots/testsuite"
	"google.golang.org/grpc"
)

var socket = flag.String("addr", "", "Unix socket of the snapshotter")

func dial(_ context.Context, address string) (net.Conn, error) {
	return net.Dial("unix", address)
}

func TestSnapshotter(t *testing.T) {
	factory := func(context.Context, string) (snapshots.Snapshotter, func() error, error) {
		connection, err := grpc.Dial("passthrough:///"+*socket, grpc.WithInsecure(),
			grpc.WithContextDialer(dial))
		if err != nil {
			return nil, nil, err
		}
		client := snapshotsapi.NewSnapshotsClient(connection)
		return proxy.NewSnapshotter(client, "stowage"), connection.Close, nil
	}
	testsuite.SnapshotterSuite(t, "stowage", factory)
}
