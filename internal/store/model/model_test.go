package model_test

import (
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/store/model"
	"github.com/dwmon/dwmon/internal/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) dwmon.Store { return model.New() })
}
