//go:build linux && !race

package main

const race = false
