package daemon

import (
	"log/slog"

	"weir/control/dataplane"
	"weir/control/resource"
	"weir/delivery"
	"weir/metadata"
)

// newChannels makes what delivers channels, to the object store that is configured. closeStore ends its connections.
func (u *Up) newChannels(log *slog.Logger, store metadata.Store, brokers *dataplane.Clients) (_ *delivery.Channels, closeStore func(), err error) {
	deps := delivery.Deps{
		Store:  store,
		Source: func(c *resource.Channel) delivery.Source { return delivery.NewTopic(c, store, brokers, log) },
		Log:    log,
	}
	closeStore = func() {}
	if u.cfg.S3Endpoint != "" {
		s3, err := delivery.NewS3(delivery.S3Config{Endpoint: u.cfg.S3Endpoint, Region: u.cfg.S3Region, Credentials: u.cfg.S3Credentials})
		if err != nil {
			return nil, nil, &Problem{
				What: "cannot use the object store", Why: err.Error(), Code: ExitUsage, Err: err,
				Fix: "give --s3-endpoint as http://host:port, and --s3-credentials as a file with aws_access_key_id and aws_secret_access_key",
			}
		}
		deps.Sink, closeStore = s3, s3.Close
	}
	return delivery.NewChannels(u.scope, deps), closeStore, nil
}
