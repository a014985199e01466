package metadata

// Features are the finalized levels of a cluster's features, all of them. A cluster whose levels were never changed has no such record.
type Features struct {
	Levels map[string]int16 `json:"levels"`
}

// ACL allows or denies principals an operation on resources (KIP-11, KIP-290). The numbers are those of Kafka's protocol.
type ACL struct {
	Resource   int8   `json:"resource"` // type
	Name       string `json:"name"`
	Pattern    int8   `json:"pattern"` // type: literal or prefixed
	Principal  string `json:"principal"`
	Host       string `json:"host"`
	Operation  int8   `json:"operation"`
	Permission int8   `json:"permission"`
}

// ScramUser has a user's SCRAM credentials by mechanism (SCRAM-SHA-256, SCRAM-SHA-512).
type ScramUser struct {
	Credentials map[string]ScramCredential `json:"credentials"`
}

// ScramCredential is what a server knows of a password (RFC 5802): enough to check a client, not to be one.
type ScramCredential struct {
	Salt       []byte `json:"salt"`
	StoredKey  []byte `json:"storedKey"`
	ServerKey  []byte `json:"serverKey"`
	Iterations int32  `json:"iterations"`
}
