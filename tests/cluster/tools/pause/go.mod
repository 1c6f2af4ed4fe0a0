// The program of the sandbox image. Built once, cached by the hash of this folder.
module avi.egress/tests/cluster/tools/pause

go 1.26.0
