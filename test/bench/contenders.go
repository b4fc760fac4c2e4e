package main

// The contenders that are Go code register themselves.
import (
	_ "shmbus/test/bench/bounce"
	_ "shmbus/test/bench/gobench"
	_ "shmbus/test/bench/kernel"
	_ "shmbus/test/bench/library"
	_ "shmbus/test/bench/shmbusworker"
	_ "shmbus/test/bench/typed"
)
