package main

import (
	"net/http"
	"testing"

	"github.com/labstack/echo/v5"
	"github.com/logtoguard/logtoguard/example/frameworks/internal/parity"
)

func TestMain(m *testing.M) { parity.Main(m, main) }

func TestAnswersAsNetHTTP(t *testing.T) { parity.Test(t, parity.HTTP(routes)) }

// echo serves the request that it was given, and sets its pattern to the route's path.
func TestUploads(t *testing.T) {
	parity.Uploads(t, func(middleware ...func(http.Handler) http.Handler) http.Handler {
		e := echo.NewWithConfig(echo.Config{FormParseMaxMemory: parity.MaxMemory})
		for _, m := range middleware {
			e.Use(echo.WrapMiddleware(m))
		}
		e.POST("/files", func(c *echo.Context) error {
			if _, err := c.MultipartForm(); err != nil {
				return err
			}
			return c.NoContent(parity.Stored())
		})
		e.POST("/mux/:name", echo.WrapHandler(parity.Files))
		return e
	}, parity.Uploaded{Pattern: "/files", Files: 0}, parity.Uploaded{Pattern: parity.MuxPattern, Files: 0})
}

func TestRuns(t *testing.T) { parity.TestRuns(t, "/products") }
