package testload

import (
	"context"
	"os"
	"testing"
	"time"

	"shmbus/internal/fence"
)

// Patience is how long tests wait for what is to happen at once, on a machine that does ten other
// things. The environment variable SHMBUS_TEST_PATIENCE sets another time, for test/mutate, in
// whose runs what is waited for mostly does not happen.
func Patience() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("SHMBUS_TEST_PATIENCE")); err == nil {
		return d
	}
	if fence.RaceEnabled {
		return 2 * time.Minute
	}
	return 20 * time.Second
}

// Within reports whether the condition comes to hold within d.
func Within(d time.Duration, condition func() bool) bool {
	end := time.Now().Add(d)
	for pause := 20 * time.Microsecond; !condition(); pause = min(2*pause, 2*time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
		time.Sleep(pause)
	}
	return true
}

// Eventually waits until the condition holds. What is a format for the arguments, which are only
// looked at when the test fails: pointers to what the condition has seen.
func Eventually(t testing.TB, what string, condition func() bool, args ...any) {
	t.Helper()
	EventuallyWithin(t, Patience(), what, condition, args...)
}

// EventuallyWithin is Eventually with a time of the caller's.
func EventuallyWithin(
	t testing.TB, d time.Duration, what string, condition func() bool, args ...any,
) {
	t.Helper()
	if !Within(d, condition) {
		t.Fatalf("not within "+d.String()+": "+what, args...)
	}
}

// InTime returns what arrives on the channel, and fails the test if nothing does within 10 s.
func InTime[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing within 10 s")
		panic("unreachable")
	}
}

// Soon returns a context that ends the test's waits long before the test's own deadline. A test
// that takes as long has failed, even if its calls have not: a sleeper that nobody woke looks once
// more when its time is up, and finds the message.
func Soon(t testing.TB) context.Context {
	t.Helper()
	d := Patience()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(func() {
		if ctx.Err() != nil {
			t.Errorf("something waited for as long as it could, %v", d)
		}
		cancel()
	})
	return ctx
}
