package host

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// A Machine says where something was measured.
type Machine struct {
	Model      string `json:"model"`
	Processors int    `json:"processors"`
	Virtual    bool   `json:"virtual"`
	Kernel     string `json:"kernel"`
	Go         string `json:"go"`
}

// ThisMachine describes this machine.
func ThisMachine() Machine {
	m := Machine{Model: runtime.GOARCH, Processors: runtime.NumCPU(), Go: runtime.Version()}
	cpuinfo, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(modelOf(cpuinfo))) {
		key, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(key) {
		case "model name":
			m.Model = strings.TrimSpace(value)
		case "flags":
			m.Virtual = strings.Contains(value, " hypervisor ")
		}
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	return m
}

func (m Machine) String() string {
	kind := ""
	if m.Virtual {
		kind = " of a virtual machine"
	}
	return fmt.Sprintf("%s, %d processors%s, Linux %s, %s", m.Model, m.Processors, kind, m.Kernel, m.Go)
}
