package daemon

import "context"

func (x *examination) sources(context.Context) {}
