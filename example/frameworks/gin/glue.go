package main

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// wrap makes gin middleware of net/http middleware: of guard.Handler,
// RequireScope and RequireOrganization.
func wrap(middleware func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		for _, param := range c.Params {
			c.Request.SetPathValue(param.Key, param.Value)
		}
		refused := true
		middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			refused = false
			c.Request = r
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
		if refused {
			c.Abort()
		}
	}
}
