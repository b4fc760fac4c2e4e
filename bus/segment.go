package bus

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"shmbus/layout"
	"shmbus/ring"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// A segment is an attached bus: its memory, its semaphore set, and what its header says.
type segment struct {
	words
	shm     *sysvshm.Segment
	mapping *sysvshm.Mapping
	set     *sysvsem.Set
	head    layout.Header
	path    string // of the key file, "" if it was opened by key
}

func (s *segment) detach() { s.mapping.Detach() }

func (s *segment) removed() bool {
	return atomic.LoadUint64(s.header(layout.HeaderState)) != layout.StateLive
}

// createSegment makes the bus. Its error is ErrExists if there is one already.
//
// It runs under the key file's lock. What a creator leaves behind that dies on the way is found
// by the next one through the key file, which says beforehand what is about to be made; the magic
// number, without which nobody attaches, is written last.
func createSegment(name string, c config) (*segment, error) {
	m, err := layout.NewMap(c.geometry)
	if err != nil {
		return nil, err
	}
	lock, err := lockKeyFile(keyPath(c.dirs[0], name), true, c.mode)
	if err != nil {
		return nil, err
	}
	defer lock.close()
	known, ok, err := lock.read()
	if err != nil {
		return nil, err
	}
	if ok {
		if err := clearLeftovers(lock, known, false); err != nil {
			return nil, err
		}
	}
	if err := lock.f.Chmod(c.mode); err != nil {
		return nil, err
	}
	seg, err := makeObjects(lock, name, c, m)
	if err != nil {
		lock.unlink()
		return nil, err
	}
	return seg, nil
}

func makeObjects(lock *lockedKey, name string, c config, m layout.Map) (*segment, error) {
	var id layout.UUID
	rand.Read(id[:])
	// ftok maps many files to one key: on a collision the next project number is taken.
	for proj := 1; proj <= 255; proj++ {
		key, err := sysvshm.Ftok(lock.path, byte(proj))
		if err != nil {
			return nil, err
		}
		k := keyFile{Version: 1, State: keyCreating, UUID: id.String(), Key: key}
		if err := lock.write(k); err != nil {
			return nil, err
		}
		flags := sysvshm.Create | sysvshm.Exclusive | sysvshm.Perm(c.mode)
		if c.huge {
			flags |= sysvshm.HugeTLB
		}
		shm, err := sysvshm.Get(key, m.Size, flags)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("segment of %d bytes: %w", m.Size, err)
		}
		set, err := sysvsem.Get(key, m.Semaphores(), sysvsem.Create|sysvsem.Exclusive|sysvsem.Perm(c.mode))
		if err != nil {
			shm.Remove()
			if errors.Is(err, fs.ErrExist) {
				continue
			}
			return nil, fmt.Errorf("set of %d semaphores: %w", m.Semaphores(), err)
		}
		seg, err := initialise(shm, set, name, id, key, m)
		if err != nil {
			shm.Remove()
			set.Remove()
			return nil, err
		}
		seg.path = lock.path
		k.State, k.ShmID, k.SemID = keyReady, shm.ID(), set.ID()
		if err := lock.write(k); err != nil {
			seg.detach()
			shm.Remove()
			set.Remove()
			return nil, err
		}
		return seg, nil
	}
	return nil, fmt.Errorf("all 255 System V keys of %s are taken by others (see ipcs): use another name", lock.path)
}

func initialise(shm *sysvshm.Segment, set *sysvsem.Set, name string, id layout.UUID, key int32, m layout.Map) (*segment, error) {
	mapping, err := shm.Attach(sysvshm.ReadWrite)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*segment, error) {
		mapping.Detach()
		return nil, err
	}
	mem := mapping.Bytes()
	w, err := newWords(mem, m)
	if err != nil {
		return fail(err)
	}
	h := layout.Header{UUID: id, Geometry: m.Geometry, Created: time.Now().UnixNano(),
		SemID: int32(set.ID()), Key: key, Creator: uint32(os.Getpid()), Name: name}
	if err := h.Encode(mem); err != nil {
		return fail(err)
	}
	r, err := ring.New(mem, m)
	if err != nil {
		return fail(err)
	}
	r.Format()
	atomic.StoreUint64(w.header(layout.HeaderState), layout.StateLive)
	atomic.StoreUint64(w.header(layout.HeaderMagic), layout.Magic)
	return &segment{words: w, shm: shm, mapping: mapping, set: set, head: h}, nil
}

// clearLeftovers removes what an earlier bus under the locked key file left. A bus that was completed is left
// alone, with ErrExists or the reason why it cannot be used, unless force says otherwise.
func clearLeftovers(lock *lockedKey, k keyFile, force bool) error {
	st, err := lock.f.Stat()
	if err != nil {
		return err
	}
	foreign := false
	shm, err := sysvshm.Get(k.Key, 0, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		ours, defect, err := inspectSegment(shm, k, st.ModTime())
		if err != nil {
			return err
		}
		foreign = !ours
		if ours && k.State == keyReady && !force {
			switch {
			case errors.Is(defect, ErrRemoved):
				// Whoever removed it did not get to the end.
			case defect != nil:
				return fmt.Errorf("%w; remove it first: busd rm", defect)
			default:
				return ErrExists
			}
		}
		if ours {
			if err := shm.Remove(); err != nil {
				return err
			}
		}
	}
	set, err := sysvsem.Get(k.Key, 0, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	sst, err := set.Stat()
	if err != nil {
		return err
	}
	if k.State == keyReady && set.ID() == k.SemID && !foreign || (k.State == keyCreating && madeAfter(sst.ChangeTime, st.ModTime())) {
		return set.Remove()
	}
	return nil
}

// inspectSegment decides whether the segment with the key file's key is the key file's, and
// what keeps it from being used. One that holds nothing yet is, if it was made after the key file was written.
func inspectSegment(shm *sysvshm.Segment, k keyFile, written time.Time) (ours bool, defect, err error) {
	st, err := shm.Stat()
	if err != nil {
		return false, nil, err
	}
	mapping, err := shm.Attach(sysvshm.ReadOnly)
	if err != nil {
		return false, nil, err
	}
	defer mapping.Detach()
	mem := mapping.Bytes()
	h, _, defect := layout.DecodeHeader(mem, len(mem))
	if defect == nil {
		defect = halfRemoved(mem, h)
	}
	if len(mem) < layout.HeaderSize {
		return false, defect, nil
	}
	var id layout.UUID
	copy(id[:], mem[layout.HeaderUUID:])
	if k.State == keyReady {
		// After a reboot identifiers begin again: a sound segment of another bus is never ours.
		return id.String() == k.UUID || defect != nil && shm.ID() == k.ShmID, defect, nil
	}
	untouched := id == layout.UUID{} && madeAfter(st.ChangeTime, written) && st.Attached <= 1
	return id.String() == k.UUID || untouched, defect, nil
}

// halfRemoved returns ErrRemoved for a bus that is marked removed, or whose semaphore set is gone.
func halfRemoved(mem []byte, h layout.Header) error {
	w, err := newWords(mem, layout.Map{Size: layout.HeaderSize})
	if err != nil {
		return err
	}
	if atomic.LoadUint64(w.header(layout.HeaderState)) != layout.StateLive {
		return ErrRemoved
	}
	if _, err := sysvsem.FromID(int(h.SemID)).Stat(); errors.Is(err, sysvsem.ErrRemoved) {
		return ErrRemoved
	}
	return nil
}

// madeAfter compares the kernel's time of an object, in whole seconds of a clock that
// may be a tick behind, with a file's.
func madeAfter(object, file time.Time) bool {
	return !object.Before(file.Truncate(time.Second).Add(-time.Second))
}

// openSegment attaches to the bus with the given name.
func openSegment(name string, c config, flags sysvshm.AttachFlag) (*segment, error) {
	path, err := findKeyFile(c.dirs, name)
	if err != nil {
		return nil, err
	}
	var k keyFile
	// Whoever creates the bus just now needs a moment; one who died or was stopped is not waited for.
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		k, err = readKeyFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &NotFoundError{Name: name, Dirs: c.dirs, Known: knownNames(c.dirs)}
		}
		if errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("%w (the bus's mode decides who may use it: busd --mode)", err)
		}
		if err == nil && k.State == keyReady {
			break
		}
		if time.Now().After(deadline) || err == nil && abandoned(path) {
			if err == nil {
				err = fmt.Errorf("%w: its creator died or was stopped; create it again", ErrIncomplete)
			}
			return nil, err
		}
	}
	seg, err := attachKey(k.Key, flags)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, goneError(fmt.Sprintf("its key file %s is there, but segment and semaphores are gone: create it again, or clean up with: busd doctor --fix", path))
	}
	if err != nil {
		return nil, err
	}
	if seg.head.UUID.String() != k.UUID {
		seg.detach()
		return nil, fmt.Errorf("%w: another bus (%s, created as %q) has System V key %#x, which %s names: clean up with: busd doctor --fix",
			ErrNotABus, seg.head.UUID, seg.head.Name, uint32(k.Key), path)
	}
	seg.path = path
	return seg, nil
}

// abandoned reports whether the key file says that a bus is not ready, and nobody is at work on it.
func abandoned(path string) bool {
	if beingWritten(path) {
		return false
	}
	k, err := readKeyFile(path)
	return err == nil && k.State != keyReady
}

// attachKey attaches to the bus with the given System V key.
func attachKey(key int32, flags sysvshm.AttachFlag) (*segment, error) {
	shm, err := sysvshm.Get(key, 0, 0)
	if err != nil {
		return nil, err
	}
	return attachSegment(shm, flags)
}

func attachSegment(shm *sysvshm.Segment, flags sysvshm.AttachFlag) (*segment, error) {
	mapping, err := shm.Attach(flags)
	if err != nil {
		if errors.Is(err, sysvshm.ErrRemoved) {
			err = goneError(err.Error())
		}
		return nil, err
	}
	fail := func(err error) (*segment, error) {
		mapping.Detach()
		return nil, err
	}
	mem := mapping.Bytes()
	h, m, err := layout.DecodeHeader(mem, len(mem))
	if err != nil {
		return fail(fmt.Errorf("segment %d: %w", shm.ID(), err))
	}
	w, err := newWords(mem, m)
	if err != nil {
		return fail(err)
	}
	set := sysvsem.FromID(int(h.SemID))
	if _, err := set.Stat(); err != nil {
		if errors.Is(err, sysvsem.ErrRemoved) {
			err = fmt.Errorf("%w: the segment is there, but its semaphore set is gone: remove the bus (busd rm) and create it again", ErrRemoved)
		}
		return fail(err)
	}
	seg := &segment{words: w, shm: shm, mapping: mapping, set: set, head: h}
	if seg.removed() {
		return fail(fmt.Errorf("%w just now: %w", ErrRemoved, goneError("it may be created again")))
	}
	return seg, nil
}

// removeSegment removes the bus with the given name, whatever state it is in.
func removeSegment(name string, c config) error {
	path, err := findKeyFile(c.dirs, name)
	if err != nil {
		return err
	}
	lock, err := lockKeyFile(path, false, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return &NotFoundError{Name: name, Dirs: c.dirs, Known: knownNames(c.dirs)}
	} else if err != nil {
		return err
	}
	defer lock.close()
	k, ok, err := lock.read()
	if err != nil {
		return err
	}
	if ok {
		if err := removeObjects(lock, k); err != nil {
			return err
		}
	}
	return lock.unlink()
}

func removeObjects(lock *lockedKey, k keyFile) error {
	seg, err := attachKey(k.Key, sysvshm.ReadWrite)
	if err == nil && seg.head.UUID.String() == k.UUID {
		defer seg.detach()
		// The mark first: who is not asleep sees it, and the others are woken by the set's removal.
		atomic.StoreUint64(seg.header(layout.HeaderState), layout.StateRemoved)
		if err := seg.set.Remove(); err != nil && !errors.Is(err, sysvsem.ErrRemoved) {
			atomic.StoreUint64(seg.header(layout.HeaderState), layout.StateLive)
			return err
		}
		return seg.shm.Remove()
	}
	if err == nil {
		seg.detach()
	}
	if errors.Is(err, fs.ErrPermission) {
		return err
	}
	// Incomplete, damaged or partly gone: only what is certainly this bus's is removed.
	return clearLeftovers(lock, k, true)
}

func nameOf(path string) string {
	base := filepath.Base(path)
	return base[:max(0, len(base)-len(keySuffix))]
}
