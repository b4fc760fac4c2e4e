//go:build !linux

package leak

import "os"

// Runner is what [Main] needs of a *testing.M.
type Runner interface{ Run() int }

// Main runs the tests and exits with their code: only Linux has objects to leave behind.
func Main(m Runner) { os.Exit(m.Run()) }
