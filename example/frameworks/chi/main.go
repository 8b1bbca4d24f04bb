// Command chi guards an API with chi, which takes the library's middleware as it is. Package shop lists its settings.
package main

import (
	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/example/frameworks/internal/shop"
)

func main() {
	shop.Run(logtoguard.Config{}, shop.HTTP(routes))
}
