package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"shmbus/bus"
)

// roleEnv says what this process is: a role, the folder of key files, the number of handles.
const (
	roleEnv = "SHMBUS_SCALE_ROLE"
	busName = "scale"
)

// play is the life of a process of the bench: it does what its role says until its standard input ends.
func play(role string) error {
	name, rest, _ := strings.Cut(role, " ")
	number, dir, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(context.Background())
	defer end()
	failed := make(chan error, n)
	for i := range n {
		b, err := bus.Open(busName, bus.WithDir(dir))
		if err != nil {
			return err
		}
		defer b.Close()
		topic := "ping"
		if name == "idle" {
			topic = fmt.Sprintf("quiet.%d", i)
		}
		s, err := b.Subscribe(topic, bus.WaitWith(bus.Block))
		if err != nil {
			return err
		}
		var p *bus.Publisher
		if name == "echo" {
			if p, err = b.Publisher("pong"); err != nil {
				return err
			}
		}
		go func() {
			for {
				if _, err := s.Next(ctx); err != nil {
					failed <- err
					return
				}
				if p != nil {
					if err := p.PublishRaw(ctx, []byte{0xc0}); err != nil {
						failed <- err
						return
					}
				}
			}
		}()
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	select {
	case err := <-failed:
		return err
	default:
		return err
	}
}

// A process plays a role until it is ended or killed.
type process struct {
	cmd *exec.Cmd
	in  io.Closer
}

func start(role string, handles int, dir string) (*process, error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %s", roleEnv, role, handles, dir))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd, in}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		p.kill()
		return nil, fmt.Errorf("a process did not begin: %q, %w", line, err)
	}
	return p, nil
}

func (p *process) end() error {
	p.in.Close()
	return p.cmd.Wait()
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// used returns the processor time that the process has used.
func (p *process) used() (time.Duration, error) {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, t := range tasks {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", p.cmd.Process.Pid, t.Name()))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // the thread has ended
		}
		if err != nil {
			return 0, err
		}
		f := strings.Fields(string(b))
		if len(f) == 0 {
			continue
		}
		ns, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}
