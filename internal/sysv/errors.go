package sysv

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"syscall"
)

// An Object is one of the three kinds of System V objects, with the words that error texts use for
// it.
type Object struct {
	Noun    string // "set", "segment", "queue"
	Family  string // "System V semaphores"
	Option  string // the letter that stands for it in ipcs and ipcrm
	SetPerm string // the method that changes its permission bits
	Removed error  // the package's ErrRemoved
	NoSpace error  // the package's ErrNoSpace
}

// A Reason says what a package knows about a failed call beyond the error number.
type Reason struct {
	Kind   error  // the package's sentinel, or nil
	Detail string // what is at fault, and what to do
}

// BadOwner reports whether one of the numbers cannot be that of a user or a group, and why. The
// kernel's records have 32 bits for each, so a larger number would become that of somebody else.
func BadOwner(uid, gid int) (Reason, bool) {
	outside := func(id int) bool { return id < -1 || int64(id) >= math.MaxUint32 }
	what, id := "user", uid
	if !outside(uid) {
		what, id = "group", gid
	}
	return Reason{Detail: fmt.Sprintf("there is no %s %d: use 0 to %d, or -1 to leave it as it is",
		what, id, int64(math.MaxUint32-1))}, outside(id)
}

// Is reports whether target is the reason's sentinel, or os.ErrDeadlineExceeded if err is the error
// of a context whose deadline has passed.
func (r Reason) Is(err, target error) bool {
	return r.Kind != nil && target == r.Kind ||
		target == os.ErrDeadlineExceeded && err == context.DeadlineExceeded
}

// Text returns the text of an error: the call, the object or the key, the reason, and the error
// number. If there is a detail, the error number is given by its name only, because the system's
// text for the number speaks of files and devices.
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

// Gone returns the reason of a failed call on an object that the kernel does not know.
func (o *Object) Gone() Reason {
	return Reason{o.Removed, "there is no " + o.Noun + " with this identifier in this IPC " +
		"namespace: it was removed, or belongs to another namespace (a container); " +
		"get it again by its key"}
}

// Handle returns the reason of a failed call on the object with the given identifier. It replaces
// the text of [Object.Gone] if the handle names no object.
func (o *Object) Handle(id int, r Reason) Reason {
	if id < 0 && r.Kind == o.Removed {
		r.Detail = fmt.Sprintf("this handle names no %s: it is a zero value, or FromID was given a "+
			"number outside 0 to %d: make the handle with Get, or with FromID and the number in ipcs -%s",
			o.Noun, math.MaxInt32, o.Option)
	}
	return r
}

// Alive returns the error of a context, or EINVAL and the reason if the context is nil.
func Alive(ctx context.Context) (Reason, error) {
	if ctx == nil {
		return Reason{Detail: "the context is nil (context.Background() never ends)"}, syscall.EINVAL
	}
	return Reason{}, ctx.Err()
}

// Control explains a failed call on an object. gone reports whether the object certainly does not
// exist. Control calls gone if the error number alone does not tell.
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
		return Reason{Detail: "only the " + o.Noun + "'s owner, its creator, or root may do this"}
	case syscall.ENOSYS:
		return o.Denied()
	}
	return Reason{}
}

// Find explains a call that failed to find or to create an object, as far as the explanation is the
// same for all kinds.
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

// Full returns the reason of a call that failed because a limit of the whole system is reached.
// what names the limit and what exists; raise is the command that raises the limit, or "".
func (o *Object) Full(what, raise string) Reason {
	if raise == "" {
		return Reason{o.NoSpace, what}
	}
	return Reason{o.NoSpace, fmt.Sprintf(
		"%s: remove unused %ss (ipcs -%[3]s, ipcrm -%[3]s ID) or raise it: %[4]s",
		what, o.Noun, o.Option, raise)}
}

// Denied returns the reason of a call that this system does not have.
func (o *Object) Denied() Reason { return Reason{Detail: denied(o.Family)} }

func (o *Object) access() string {
	return fmt.Sprintf("permission denied by the %s's permission bits: see ipcs -%s -i ID and %s",
		o.Noun, o.Option, o.SetPerm)
}

// A Sentinel is an error that is returned unwrapped. errors.Is also finds the Others in it.
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
