package m2m

import "syscall"

// errno is an error of the operating system.
type errno = syscall.ErrorString
