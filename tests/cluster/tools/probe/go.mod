// The program of the test image. Built once, cached by the hash of this folder.
module avi.egress/tests/cluster/tools/probe

go 1.26.0
