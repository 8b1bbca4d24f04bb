package main

import (
	"context"
	"net/http"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
)

// wrap makes fiber middleware of net/http middleware: of guard.Handler,
// RequireScope and RequireOrganization. Fiber's own adaptor.HTTPMiddleware is not
// enough: it shows only one of several Authorization headers, and loses the claims.
func wrap(middleware func(http.Handler) http.Handler) fiber.Handler {
	return func(c fiber.Ctx) error {
		var admitted context.Context
		guarded := middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { admitted = r.Context() }))
		err := adaptor.HTTPHandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Authorization")
			for _, value := range c.Request().Header.PeekAll("Authorization") {
				r.Header.Add("Authorization", string(value)) // a copy: fasthttp uses its memory again
			}
			for _, name := range c.Route().Params {
				r.SetPathValue(name, c.Params(name))
			}
			guarded.ServeHTTP(w, r.WithContext(c.Context()))
		})(c)
		if err != nil || admitted == nil {
			return err
		}
		c.SetContext(admitted)
		return c.Next()
	}
}
