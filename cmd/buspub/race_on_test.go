//go:build linux && race

package main

const race = true
