//go:build linux

// Package host tests what a bus meets on a host, across real processes: other users, other
// namespaces, limits of the kernel that are reached, and sandboxes that forbid system calls.
//
// It takes root: users are changed, namespaces made and limits lowered in them. Nothing outside of
// the tests' own IPC namespace and memory control group changes.
package host
