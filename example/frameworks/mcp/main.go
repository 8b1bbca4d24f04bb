// Command mcp guards a server of the Model Context Protocol. Package shop lists its settings.
package main

import (
	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/example/frameworks/internal/shop"
)

func main() {
	shop.Run(logtoguard.Config{
		// Without a path, clients that write URLs with a slash would ask Logto for another resource.
		Audience: []string{"https://shopping.api/mcp"},
		Metadata: &logtoguard.Metadata{Name: "Shop"},
	}, shop.HTTP(routes))
}
