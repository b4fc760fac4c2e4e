package sleep

import (
	"testing"

	"shmbus/test/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
