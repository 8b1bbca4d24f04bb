package main

import (
	"net/http"

	"github.com/labstack/echo/v5"
	"github.com/logtoguard/logtoguard"
)

func routes(guard *logtoguard.Guard) http.Handler {
	e := echo.New()
	e.Use(echo.WrapMiddleware(guard.Handler))
	e.GET("/products", show, echo.WrapMiddleware(logtoguard.RequireScope("read:products")))
	orders := e.Group("/organizations/:organizationID", echo.WrapMiddleware(
		logtoguard.RequireOrganization(func(r *http.Request) string { return r.PathValue("organizationID") })))
	orders.GET("/orders", show, echo.WrapMiddleware(logtoguard.RequireScope("read:orders")))
	return e
}

func show(c *echo.Context) error {
	claims, _ := logtoguard.ClaimsFromContext(c.Request().Context())
	return c.JSON(http.StatusOK, map[string]string{"subject": claims.Subject(), "organization": claims.OrganizationID()})
}
