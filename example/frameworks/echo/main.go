// Command echo guards an API with echo, which wraps net/http middleware itself. Package shop lists its settings.
package main

import (
	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/example/frameworks/internal/shop"
)

func main() {
	shop.Run(logtoguard.Config{}, shop.HTTP(routes))
}
