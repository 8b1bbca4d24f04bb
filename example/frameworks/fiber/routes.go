package main

import (
	"errors"
	"net/http"

	"github.com/gofiber/fiber/v3"
	recoverer "github.com/gofiber/fiber/v3/middleware/recover"
	"github.com/logtoguard/logtoguard"
)

func routes(guard *logtoguard.Guard) *fiber.App {
	app := fiber.New(fiber.Config{
		ReadBufferSize: 32 << 10, // tokens have up to 16 KiB, and fiber takes 4
		ErrorHandler:   fail,
	})
	app.Use(recoverer.New(recoverer.Config{EnableStackTrace: true})) // first: Config.Check may panic, too
	app.Use(wrap(guard.Handler))
	app.Get("/products", wrap(logtoguard.RequireScope("read:products")), show)
	app.Get("/organizations/:organizationID/orders",
		wrap(logtoguard.RequireOrganization(func(r *http.Request) string { return r.PathValue("organizationID") })),
		wrap(logtoguard.RequireScope("read:orders")), show)
	return app
}

// fail answers errors by their status alone: in the text of an error, fiber repeats
// requests that it can't read, with the token. The guard has seen those without
// their headers, so its challenge means nothing.
func fail(c fiber.Ctx, err error) error {
	e := fiber.ErrInternalServerError
	errors.As(err, &e)
	c.Response().Header.Del("WWW-Authenticate")
	c.Set("Content-Type", "text/plain; charset=utf-8")
	return c.Status(e.Code).SendString(http.StatusText(e.Code))
}

func show(c fiber.Ctx) error {
	claims, _ := logtoguard.ClaimsFromContext(c.Context())
	return c.JSON(fiber.Map{"subject": claims.Subject(), "organization": claims.OrganizationID()})
}
