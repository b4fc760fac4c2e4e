package sysvsem

// Commands of semctl.
const (
	ipcRMID = 0
	ipcSET  = 1
	ipcSTAT = 2
	ipcINFO = 3

	cmdGETPID     = 11
	cmdGETVAL     = 12
	cmdGETALL     = 13
	cmdGETNCNT    = 14
	cmdGETZCNT    = 15
	cmdSETVAL     = 16
	cmdSETALL     = 17
	cmdSEMSTAT    = 18
	cmdSEMINFO    = 19
	cmdSEMSTATANY = 20
)

// seminfo is struct seminfo. For SEM_INFO the kernel puts the number of sets in
// Semusz, and of semaphores in Semaem.
type seminfo struct {
	Semmap int32
	Semmni int32
	Semmns int32
	Semmnu int32
	Semmsl int32
	Semopm int32
	Semume int32
	Semusz int32
	Semvmx int32
	Semaem int32
}
