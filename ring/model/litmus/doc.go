// Package litmus checks the protocol's memory orderings, which the models beside it take for granted: pieces of the
// protocol of two to four threads and a few instructions, each with an outcome that must not be, against all
// executions that a memory model allows.
//
// The models are axiomatic: x86-TSO, and Armv8 from the ordering rules of the Arm Architecture Reference Manual (B2.3),
// with compare-and-swap as one instruction (CASAL, LSE) or as a loop of LDAXR and STLXR (Armv8.0). They are
// weaker than the architectures where that was simpler, which makes more executions legal: dependencies order
// nothing, and nothing is ordered behind the store of a CASAL but by a barrier (current editions of the manual
// order it). known_test.go compares them with the verdicts of the literature.
//
// Each piece is checked as it is in the code, where its outcome must be forbidden, and with every ordering in it
// weakened, one at a time: a barrier taken out, an acquire or release made plain, LDAR made LDAPR. The table says
// which of these must be allowed; so it also says which orderings the piece does not need.
//
// [Test.Herd] prints a piece for herd7, which has Arm's own model.
package litmus
