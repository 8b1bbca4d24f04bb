// Command fiber guards an API with fiber. Package shop lists its settings.
package main

import (
	"net"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/example/frameworks/internal/shop"
)

func main() {
	shop.Run(logtoguard.Config{}, func(guard *logtoguard.Guard, listener net.Listener) error {
		return routes(guard).Listener(listener)
	})
}
