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
	ISB	$15
	RET

// func PrefetchWrite(p *uint64)
TEXT ·PrefetchWrite(SB), NOSPLIT, $0-8
	MOVD	p+0(FP), R0
	PRFM	(R0), PSTL1KEEP
	RET
