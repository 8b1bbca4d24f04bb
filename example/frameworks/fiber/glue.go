package main

import (
	"context"
	"net/http"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
)

// wrap makes fiber middleware of net/http middleware: of guard.Handler,
// RequireScope and RequireOrganization. Fiber's adaptor.HTTPMiddleware would lose
// the claims. Versions of fasthttp differ in how many Authorization headers they
// convert, so all are taken from where they came, and copied: their memory is used
// again.
func wrap(middleware func(http.Handler) http.Handler) fiber.Handler {
	return func(c fiber.Ctx) error {
		judged, admitted := false, context.Context(nil)
		guarded := middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { admitted = r.Context() }))
		err := adaptor.HTTPHandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			judged = true
			r.Header.Del("Authorization")
			for _, value := range c.Request().Header.PeekAll("Authorization") {
				r.Header.Add("Authorization", string(value))
			}
			for _, name := range c.Route().Params {
				r.SetPathValue(name, c.Params(name))
			}
			guarded.ServeHTTP(w, r.WithContext(c.Context()))
		})(c)
		switch {
		case !judged:
			return fiber.ErrBadRequest // the URL is none for net/http
		case err != nil || admitted == nil:
			return err
		}
		c.SetContext(admitted)
		return c.Next()
	}
}
