package sysv

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
)

// An Object is one of the three kinds of System V objects, as the texts of errors call it.
type Object struct {
	Noun    string // "set", "segment", "queue"
	Family  string // "System V semaphores"
	Option  string // the letter that stands for it in ipcs and ipcrm
	SetPerm string // the method that changes its permission bits
	Removed error  // the package's ErrRemoved
	NoSpace error  // the package's ErrNoSpace
}

// A Reason is what a package knows of a failed call beyond the error number.
type Reason struct {
	Kind   error  // the package's sentinel, or nil
	Detail string // what is at fault, and what to do
}

// Is reports whether target stands for err, an error number or an error of a context.
func (r Reason) Is(err, target error) bool {
	return r.Kind != nil && target == r.Kind ||
		target == os.ErrDeadlineExceeded && err == context.DeadlineExceeded
}

// Text is the text of an error: the call, the object or the key, the reason, and the error
// number. With a detail the number is given by its name only, because the system's own texts speak
// of files and devices.
func (o *Object) Text(op string, key Key, id int, err error, detail string) string {
	var b strings.Builder
	b.WriteString(op)
	switch {
	case id >= 0:
		fmt.Fprintf(&b, ": %s %d", o.Noun, id)
	case key != Private:
		fmt.Fprintf(&b, ": key %#08x", uint32(key))
	}
	errno, ok := err.(syscall.Errno)
	switch {
	case detail == "":
		fmt.Fprintf(&b, ": %v", err)
	case ok && errnoName(errno) != "":
		fmt.Fprintf(&b, ": %s (%s)", detail, errnoName(errno))
	default:
		fmt.Fprintf(&b, ": %s", detail)
	}
	return b.String()
}

// Gone is the reason of a call on an object that the kernel does not know.
func (o *Object) Gone() Reason {
	return Reason{o.Removed, "there is no " + o.Noun + " with this identifier in this IPC " +
		"namespace: it was removed, or belongs to another namespace (a container); " +
		"get it again by its key"}
}

// Control explains a failed call on an object. gone reports whether the kernel certainly knows no
// such object; it is asked where the error number leaves that open.
func (o *Object) Control(errno syscall.Errno, gone func() bool) Reason {
	switch errno {
	case syscall.EIDRM:
		return o.Gone()
	case syscall.EINVAL:
		if gone() {
			return o.Gone()
		}
	case syscall.EACCES:
		return Reason{Detail: o.access()}
	case syscall.EPERM:
		return Reason{Detail: "only the " + o.Noun + "'s owner, its creator, or root may"}
	case syscall.ENOSYS:
		return o.Denied()
	}
	return Reason{}
}

// Find explains a call that failed to find or to create an object, as far as that is the same for
// all kinds.
func (o *Object) Find(errno syscall.Errno) Reason {
	switch errno {
	case syscall.ENOENT:
		return Reason{Detail: "no such " + o.Noun +
			" in this IPC namespace: create it with the flag Create"}
	case syscall.EEXIST:
		return Reason{Detail: "there is a " + o.Noun + " already: leave out Exclusive to share it"}
	case syscall.EACCES:
		return Reason{Detail: o.access()}
	case syscall.EIDRM:
		return Reason{o.Removed, "the " + o.Noun + " is being removed: try again"}
	case syscall.ENOSYS, syscall.EPERM:
		return o.Denied()
	}
	return Reason{}
}

// Full is the reason of a call that a limit of the whole system stops: what exists, by what limit,
// and the command that raises it.
func (o *Object) Full(what, raise string) Reason {
	if raise == "" {
		return Reason{o.NoSpace, what}
	}
	return Reason{o.NoSpace, fmt.Sprintf(
		"%s: remove unused %ss (ipcs -%[3]s, ipcrm -%[3]s ID) or raise it: %[4]s",
		what, o.Noun, o.Option, raise)}
}

// Denied is the reason of a call that this system does not have.
func (o *Object) Denied() Reason { return Reason{Detail: denied(o.Family)} }

func (o *Object) access() string {
	return fmt.Sprintf("permission denied by the %s's permission bits: see ipcs -%s -i ID and %s",
		o.Noun, o.Option, o.SetPerm)
}

// A Sentinel is an error that is returned as it is and stands for others too.
type Sentinel struct {
	Text   string
	Others []error
}

// Error returns the text.
func (s *Sentinel) Error() string { return s.Text }

// Is reports whether target is one of the others.
func (s *Sentinel) Is(target error) bool { return slices.Contains(s.Others, target) }

// Timeout reports whether the error is that of a deadline.
func (s *Sentinel) Timeout() bool { return s.Is(os.ErrDeadlineExceeded) }
