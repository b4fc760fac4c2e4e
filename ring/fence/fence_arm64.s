//go:build !race

#include "textflag.h"

// func Loads()
TEXT ·Loads(SB), NOSPLIT, $0-0
	DMB	$0x9 // ISHLD
	RET

// func Full()
TEXT ·Full(SB), NOSPLIT, $0-0
	DMB	$0xb // ISH
	RET

// func Pause()
TEXT ·Pause(SB), NOSPLIT, $0-0
	YIELD
	RET
