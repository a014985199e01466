package broker

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

func gauge(g prometheus.Gauge) int {
	var m dto.Metric
	if err := g.Write(&m); err != nil {
		panic(err)
	}
	return int(m.GetGauge().GetValue())
}

func counter(c prometheus.Counter) int {
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		panic(err)
	}
	return int(m.GetCounter().GetValue())
}
