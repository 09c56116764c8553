// Measures a snapshotter behind a socket, and serves the baseline, containerd's own overlayfs snapshotter.
//
//	snapshotter_bench overlayfs SOCKET ROOT
//	snapshotter_bench measure SOCKET PRESENT WORKERS ROUNDS mixed|steady|alone
//
// `measure` fills up to PRESENT snapshots, then lets each of WORKERS make ROUNDS layers and containers: `mixed` one after
// the other as fast as they are answered, so that each worker is at another call; `steady` the same at a rate that both
// servers can follow, so that both are asked equally much; `alone` one kind of call after the other, all workers at the
// same one.
// Prints one JSON object: the milliseconds of each call at the 50th and 99th percentile.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"sort"
	"strconv"
	"sync"
	"syscall"
	"time"

	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	"github.com/containerd/containerd/contrib/snapshotservice"
	"github.com/containerd/containerd/errdefs"
	"github.com/containerd/containerd/snapshots"
	"github.com/containerd/containerd/snapshots/overlay"
	"github.com/containerd/containerd/snapshots/proxy"
	"google.golang.org/grpc"
)

// The chain that containers stand on, as long as that of a usual image.
const chainLayers = 10

// From the beginning of one call of a worker to that of its next, `steady`.
const steadyInterval = 10 * time.Millisecond

func main() {
	switch {
	case len(os.Args) == 4 && os.Args[1] == "overlayfs":
		check(serve(os.Args[2], os.Args[3]))
	case len(os.Args) == 7 && os.Args[1] == "measure" && (os.Args[6] == "mixed" || os.Args[6] == "steady" || os.Args[6] == "alone"):
		check(measure(os.Args[2], number(os.Args[3]), number(os.Args[4]), number(os.Args[5]), os.Args[6]))
	default:
		log.Fatal("usage: snapshotter_bench overlayfs SOCKET ROOT | measure SOCKET PRESENT WORKERS ROUNDS mixed|steady|alone")
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	check(err)
	return value
}

// serve answers until SIGTERM, set up as containerd's plugin sets it up.
func serve(socket, root string) error {
	snapshotter, err := overlay.NewSnapshotter(root, overlay.AsynchronousRemove)
	if err != nil {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	snapshotsapi.RegisterSnapshotsServer(server, snapshotservice.FromSnapshotter(snapshotter))
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		server.Stop()
	}()
	return server.Serve(listener)
}

func connect(socket string) (snapshots.Snapshotter, error) {
	dial := func(_ context.Context, address string) (net.Conn, error) { return net.Dial("unix", address) }
	connection, err := grpc.Dial("passthrough:///"+socket, grpc.WithInsecure(), grpc.WithContextDialer(dial))
	if err != nil {
		return nil, err
	}
	return proxy.NewSnapshotter(snapshotsapi.NewSnapshotsClient(connection), "bench"), nil
}

// samples of all workers, by call.
type samples struct {
	mutex sync.Mutex
	taken map[string][]time.Duration
}

// time runs one call.
func (s *samples) time(name string, call func() error) error {
	start := time.Now()
	err := call()
	took := time.Since(start)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	s.mutex.Lock()
	s.taken[name] = append(s.taken[name], took)
	s.mutex.Unlock()
	return nil
}

func (s *samples) percentile(name string, percent int) float64 {
	taken := s.taken[name]
	sort.Slice(taken, func(i, j int) bool { return taken[i] < taken[j] })
	return taken[(len(taken)-1)*percent/100].Seconds() * 1000
}

func measure(socket string, present, workers, rounds int, order string) error {
	ctx := context.Background()
	snapshotter, err := connect(socket)
	if err != nil {
		return err
	}
	if err := fill(ctx, snapshotter, present); err != nil {
		return err
	}
	taken := &samples{taken: map[string][]time.Duration{}}
	if order != "alone" {
		began := time.Now()
		err = together(workers, rounds, func(worker, round int) error {
			for i, step := range steps {
				if order == "steady" { // the workers begin one after the other within an interval
					number := time.Duration(round*len(steps) + i)
					time.Sleep(time.Until(began.Add(number*steadyInterval + time.Duration(worker)*steadyInterval/time.Duration(workers))))
				}
				if err := taken.time(step.name, func() error { return step.call(ctx, snapshotter, worker, round) }); err != nil {
					return err
				}
			}
			return nil
		})
	} else {
		for i := 0; i < len(steps) && err == nil; i++ {
			step := steps[i]
			err = together(workers, rounds, func(worker, round int) error {
				return taken.time(step.name, func() error { return step.call(ctx, snapshotter, worker, round) })
			})
		}
	}
	if err != nil {
		return err
	}
	for i := 0; i < 5; i++ {
		count := 0
		walk := func() error {
			count = 0
			return snapshotter.Walk(ctx, func(context.Context, snapshots.Info) error { count++; return nil })
		}
		if err := taken.time("List", walk); err != nil {
			return err
		}
		if count < present {
			return fmt.Errorf("List shows %d of at least %d snapshots", count, present)
		}
	}
	// What asynchronous removal has put aside.
	if cleaner, ok := snapshotter.(snapshots.Cleaner); ok {
		if err := cleaner.Cleanup(ctx); err != nil {
			return err
		}
	}
	result := map[string]map[string]float64{}
	for name := range taken.taken {
		result[name] = map[string]float64{"p50": taken.percentile(name, 50), "p99": taken.percentile(name, 99)}
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

// fill makes the chain and, beside it, as many writable snapshots as are missing; earlier ones are kept.
func fill(ctx context.Context, snapshotter snapshots.Snapshotter, present int) error {
	parent := ""
	for i := 0; i < chainLayers; i++ {
		key, name := fmt.Sprintf("bench/1/extract chain %d", i), chain(i)
		if _, err := snapshotter.Stat(ctx, name); errdefs.IsNotFound(err) {
			if _, err := snapshotter.Prepare(ctx, key, parent); err != nil {
				return err
			}
			if err := snapshotter.Commit(ctx, name, key); err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		parent = name
	}
	for i := chainLayers; i < present; i++ {
		_, err := snapshotter.Prepare(ctx, fmt.Sprintf("bench/2/present %d", i), "")
		if err != nil && !errdefs.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

func chain(i int) string { return fmt.Sprintf("bench/1/chain %d", i) }

// together lets all workers do their rounds at once and returns when all are done.
func together(workers, rounds int, do func(worker, round int) error) error {
	failures := make(chan error, workers)
	for worker := 0; worker < workers; worker++ {
		go func(worker int) {
			var err error
			for round := 0; round < rounds && err == nil; round++ {
				err = do(worker, round)
			}
			failures <- err
		}(worker)
	}
	var first error
	for worker := 0; worker < workers; worker++ {
		if err := <-failures; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func layer(worker, round int) string { return fmt.Sprintf("bench/3/layer %d %d", worker, round) }
func container(worker, round int) string {
	return fmt.Sprintf("bench/3/container %d %d", worker, round)
}

// The life of one layer and of one container that stands on it.
var steps = []struct {
	name string
	call func(ctx context.Context, snapshotter snapshots.Snapshotter, worker, round int) error
}{
	{"Prepare (layer)", func(ctx context.Context, s snapshots.Snapshotter, worker, round int) error {
		_, err := s.Prepare(ctx, layer(worker, round)+" active", chain(chainLayers-1))
		return err
	}},
	{"Commit", func(ctx context.Context, s snapshots.Snapshotter, worker, round int) error {
		return s.Commit(ctx, layer(worker, round), layer(worker, round)+" active")
	}},
	{"Prepare (container)", func(ctx context.Context, s snapshots.Snapshotter, worker, round int) error {
		_, err := s.Prepare(ctx, container(worker, round), layer(worker, round))
		return err
	}},
	{"Mounts", func(ctx context.Context, s snapshots.Snapshotter, worker, round int) error {
		_, err := s.Mounts(ctx, container(worker, round))
		return err
	}},
	{"Stat", func(ctx context.Context, s snapshots.Snapshotter, worker, round int) error {
		_, err := s.Stat(ctx, container(worker, round))
		return err
	}},
	{"Usage", func(ctx context.Context, s snapshots.Snapshotter, worker, round int) error {
		_, err := s.Usage(ctx, container(worker, round))
		return err
	}},
	{"Remove (container)", func(ctx context.Context, s snapshots.Snapshotter, worker, round int) error {
		return s.Remove(ctx, container(worker, round))
	}},
	{"Remove (layer)", func(ctx context.Context, s snapshots.Snapshotter, worker, round int) error {
		return s.Remove(ctx, layer(worker, round))
	}},
}
