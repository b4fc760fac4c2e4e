// Package litmus checks the memory orderings of the protocol, which the models beside it take for
// granted. It takes pieces of the protocol, of two to four threads with a few instructions each.
// Each piece has an outcome that must not happen, and is checked against all executions that a
// memory model allows.
//
// The models are axiomatic: x86-TSO, and Armv8 by the ordering rules of the Arm Architecture
// Reference Manual (B2.3), with compare-and-swap as one instruction (CASAL, LSE) or as a loop of
// LDAXR and STLXR (Armv8.0). Where that was simpler, they are weaker than the architectures, and so
// allow more executions: dependencies order nothing, and only a barrier orders anything after the
// store of a CASAL (current editions of the manual order it without one). known_test.go compares
// them with the verdicts of the literature.
//
// Each piece is checked as it is in the code, where its outcome must be forbidden, and with each of
// its orderings weakened, one at a time: a barrier taken out, an acquire or release made plain,
// LDAR made LDAPR. The table says which of these must allow the outcome, and so says as well which
// orderings the piece does not need.
//
// [Test.Herd] prints a piece for herd7, which has Arm's own model.
package litmus
