package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	pb "gamekeeper.dev/e2e/foreign/rooms-server/controlv1"
)

// asProgram is the variable that makes a process of this test binary the program.
const asProgram = "ROOMS_SERVER_TEST"

// process is the program as the kubelet runs it.
type process struct {
	t *testing.T
	addresses
	command *exec.Cmd
	exited  chan struct{}
}

func launch(t *testing.T, arguments ...string) *process {
	t.Helper()
	t.Parallel()
	return launchIn(t, nil, arguments...)
}

// launchIn starts the program with these variables more in its environment.
func launchIn(t *testing.T, environment []string, arguments ...string) *process {
	t.Helper()
	p := &process{t: t, command: program(t, environment...), exited: make(chan struct{})}
	p.command.Args = append(p.command.Args, arguments...)
	stderr, err := p.command.StderrPipe()
	check(t, err)
	check(t, p.command.Start())
	t.Cleanup(func() {
		p.command.Process.Kill()
		<-p.exited
	})
	lines := bufio.NewScanner(stderr)
	for p.game == "" && lines.Scan() {
		if _, where, found := strings.Cut(lines.Text(), ": control "); found {
			_, err := fmt.Sscanf(where, "%s game %s", &p.control, &p.game)
			check(t, err)
		}
	}
	go func() {
		defer close(p.exited)
		// Read to its end, or the process could not write.
		for lines.Scan() {
		}
		p.command.Wait()
	}()
	if p.game == "" {
		t.Fatal("the server did not say where it is")
	}
	return p
}

// program is the program, at ports of its own choice.
func program(t *testing.T, environment ...string) *exec.Cmd {
	t.Helper()
	executable, err := os.Executable()
	check(t, err)
	command := exec.Command(executable, "-control", "127.0.0.1:0", "-game", "127.0.0.1:0")
	command.Env = append(append(os.Environ(), asProgram+"=1"), environment...)
	return command
}

func (p *process) stop() {
	p.t.Helper()
	check(p.t, p.command.Process.Signal(syscall.SIGTERM))
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

func (p *process) exitCode() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatal("the process does not exit")
	}
	return p.command.ProcessState.ExitCode()
}

func TestOnSIGTERMAServerWithoutRoomsExitsWell(t *testing.T) {
	p := launch(t)
	attached(t, p.addresses)
	p.stop()
	if code := p.exitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestOnSIGTERMAServerWithRoomsPlaysOnUntilTheyAreClosed(t *testing.T) {
	p := launch(t)
	operator := attached(t, p.addresses)
	operator.tell(open(tenancy("duel", 1), map[string]string{"result": "draw"}))
	await(operator, (*pb.ServerMessage).GetOpened)
	player := play(t, p.addresses)

	p.stop()
	if !await(operator, (*pb.ServerMessage).GetDraining).GetDraining() {
		t.Error("it says that it does not drain")
	}
	operator.tell(undrain())
	if !await(operator, (*pb.ServerMessage).GetDraining).GetDraining() {
		t.Error("it was undrained")
	}
	operator.tell(open(tenancy("late", 2), nil))
	if refused := await(operator, (*pb.ServerMessage).GetRefused); refused.GetWhy() != pb.Refused_WHY_DRAINING {
		t.Errorf("refused: %v", refused)
	}
	player.ask("duel hello")
	player.tell("duel end")
	finished := await(operator, (*pb.ServerMessage).GetFinished)
	if finished.GetResult().GetValues()["result"] != "draw" {
		t.Errorf("finished: %v", finished)
	}
	if !p.running() {
		t.Error("it exited before the result was taken down")
	}
	operator.tell(closing(tenancy("duel", 1)))
	await(operator, (*pb.ServerMessage).GetClosed)
	if code := p.exitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestAfterSIGTERMRoomsArePlayedOnForALimitedTime(t *testing.T) {
	p := launch(t, "-grace", "1s")
	operator := attached(t, p.addresses)
	operator.tell(open(tenancy("duel", 1), nil))
	await(operator, (*pb.ServerMessage).GetOpened)
	told := time.Now()
	p.stop()
	if code := p.exitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(told); took < time.Second {
		t.Errorf("it took only %v", took)
	}
}

func TestAPlayerCanCrashTheProcess(t *testing.T) {
	p := launch(t)
	operator := attached(t, p.addresses)
	operator.tell(open(tenancy("duel", 1), nil))
	await(operator, (*pb.ServerMessage).GetOpened)
	play(t, p.addresses).tell("duel crash\n")
	if code := p.exitCode(); code != 3 {
		t.Errorf("exit code %d", code)
	}
}

func TestACapacityThatTheProtocolDoesNotKnowIsRefused(t *testing.T) {
	for _, capacity := range []string{"0", "4097"} {
		command := exec.Command(os.Args[0], "-capacity", capacity)
		command.Env = append(os.Environ(), asProgram+"=1")
		if output, err := command.CombinedOutput(); err == nil || !strings.Contains(string(output), "1 to 4096") {
			t.Errorf("capacity %s: %v: %s", capacity, err, output)
		}
	}
}
