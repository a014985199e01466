package blob_test

import (
	"testing"

	"weir/sim"
	"weir/storage/blob"
	"weir/storage/blob/blobtest"
	"weir/storage/disk"
)

func TestFSOnADirectory(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return blob.NewFS(disk.OS(t.TempDir()), "blob") })
}

func TestFSOnTheSimulatedDisk(t *testing.T) {
	blobtest.Run(t, func(*testing.T) blob.Store { return blob.NewFS(sim.NewDisk(1), "blob") })
}
