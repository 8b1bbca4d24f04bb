package main

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/logtoguard/logtoguard"
)

func routes(guard *logtoguard.Guard) http.Handler {
	router := gin.New()
	router.RedirectTrailingSlash = false // gin would answer before the guard, and tell strangers which paths exist
	router.Use(gin.Recovery(), wrap(guard.Handler))
	router.GET("/products", wrap(logtoguard.RequireScope("read:products")), show)
	orders := router.Group("/organizations/:organizationID",
		wrap(logtoguard.RequireOrganization(func(r *http.Request) string { return r.PathValue("organizationID") })))
	orders.GET("/orders", wrap(logtoguard.RequireScope("read:orders")), show)
	return router
}

func show(c *gin.Context) {
	claims, _ := logtoguard.ClaimsFromContext(c.Request.Context())
	c.JSON(http.StatusOK, gin.H{"subject": claims.Subject(), "organization": claims.OrganizationID()})
}
