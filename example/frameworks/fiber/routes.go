package main

import (
	"net/http"

	"github.com/gofiber/fiber/v3"
	"github.com/logtoguard/logtoguard"
)

func routes(guard *logtoguard.Guard) *fiber.App {
	app := fiber.New(fiber.Config{ReadBufferSize: 32 << 10}) // tokens have up to 16 KiB, and fiber takes 4
	app.Use(wrap(guard.Handler))
	app.Get("/products", wrap(logtoguard.RequireScope("read:products")), show)
	app.Get("/organizations/:organizationID/orders",
		wrap(logtoguard.RequireOrganization(func(r *http.Request) string { return r.PathValue("organizationID") })),
		wrap(logtoguard.RequireScope("read:orders")), show)
	return app
}

func show(c fiber.Ctx) error {
	claims, _ := logtoguard.ClaimsFromContext(c.Context())
	return c.JSON(fiber.Map{"subject": claims.Subject(), "organization": claims.OrganizationID()})
}
