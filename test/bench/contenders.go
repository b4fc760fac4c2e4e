package main

// The contenders that are Go code register themselves.
import (
	_ "shmbus/test/bench/shmbusworker"
)
