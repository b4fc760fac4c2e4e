package main

// The contenders that are Go code register themselves.
import (
	_ "shmbus/test/bench/bounce"
	_ "shmbus/test/bench/shmbusworker"
)
