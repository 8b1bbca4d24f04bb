package main

import (
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/logtoguard/logtoguard/example/frameworks/internal/parity"
)

func TestMain(m *testing.M) { parity.Main(m, main) }

func TestAnswersAsNetHTTP(t *testing.T) { parity.Test(t, parity.HTTP(routes)) }

// gin serves the request that it was given, and sets no pattern of its own.
func TestUploads(t *testing.T) {
	parity.Uploads(t, func(middleware ...func(http.Handler) http.Handler) http.Handler {
		router := gin.New()
		router.MaxMultipartMemory = parity.MaxMemory
		for _, m := range middleware {
			router.Use(wrap(m))
		}
		router.POST("/files", func(c *gin.Context) {
			if _, err := c.MultipartForm(); err != nil {
				panic(err)
			}
			c.Status(parity.Stored())
		})
		router.POST("/mux/:name", gin.WrapH(parity.Files))
		return router
	}, parity.Uploaded{Pattern: "", Files: 0}, parity.Uploaded{Pattern: parity.MuxPattern, Files: 0})
}

func TestRuns(t *testing.T) { parity.TestRuns(t, "/products") }
