//go:build !linux || !amd64 || race

package ring

const steppedEnv = "RING_STEPPED"

func steppedChild() {}
