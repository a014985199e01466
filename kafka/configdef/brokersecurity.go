package configdef

const (
	whySASL = "authentication is not built yet; leave it unset"
	whyTLS  = "TLS is not built yet; leave it unset"
)

// Unauthenticated is the effect of what tunes a way to authenticate.
const Unauthenticated Effect = "No effect yet: authentication is not built."

// tlsBrokerConfigs are those of TLS.
var tlsBrokerConfigs = unset(whyTLS, []Config{
	{Name: "ssl.allow.dn.changes", Type: Boolean, Default: "false", Doc: "Whether a new certificate may have another distinguished name."},
	{Name: "ssl.allow.san.changes", Type: Boolean, Default: "false", Doc: "Whether a new certificate may lack alternative names of the old one."},
	{Name: "ssl.cipher.suites", Type: List, Default: "", Mode: PerBroker, Doc: "The cipher suites, of which an empty list means the runtime's."},
	{Name: "ssl.client.auth", Type: String, Default: "none", OneOf: []string{"required", "requested", "none"}, Mode: PerBroker, Doc: "Whether clients must show certificates."},
	{Name: "ssl.enabled.protocols", Type: List, Default: "TLSv1.2,TLSv1.3", Mode: PerBroker, Doc: "The protocol versions that are on."},
	{Name: "ssl.endpoint.identification.algorithm", Type: String, Default: "https", Mode: PerBroker, Doc: "How a server's name is compared with its certificate."},
	{Name: "ssl.engine.factory.class", Type: Class, Null: true, Mode: PerBroker, Doc: "What makes TLS engines."},
	{Name: "ssl.key.password", Type: Password, Null: true, Mode: PerBroker, Doc: "The key's password."},
	{Name: "ssl.keymanager.algorithm", Type: String, Default: "SunX509", Mode: PerBroker, Doc: "How keys are managed."},
	{Name: "ssl.keystore.certificate.chain", Type: Password, Null: true, Mode: PerBroker, Doc: "The certificate chain, as PEM."},
	{Name: "ssl.keystore.key", Type: Password, Null: true, Mode: PerBroker, Doc: "The private key, as PEM."},
	{Name: "ssl.keystore.location", Type: String, Null: true, Mode: PerBroker, Doc: "The file of key and certificates."},
	{Name: "ssl.keystore.password", Type: Password, Null: true, Mode: PerBroker, Doc: "The password of that file."},
	{Name: "ssl.keystore.type", Type: String, Default: "JKS", Mode: PerBroker, Doc: "Its format."},
	{Name: "ssl.principal.mapping.rules", Type: String, Default: "DEFAULT", Doc: "How a distinguished name becomes a principal."},
	{Name: "ssl.protocol", Type: String, Default: "TLSv1.3", Mode: PerBroker, Doc: "The protocol version that contexts are made for."},
	{Name: "ssl.provider", Type: String, Null: true, Mode: PerBroker, Doc: "What implements TLS."},
	{Name: "ssl.secure.random.implementation", Type: String, Null: true, Mode: PerBroker, Doc: "Where random numbers come from."},
	{Name: "ssl.trustmanager.algorithm", Type: String, Default: "PKIX", Mode: PerBroker, Doc: "How trust is decided."},
	{Name: "ssl.truststore.certificates", Type: Password, Null: true, Mode: PerBroker, Doc: "The trusted certificates, as PEM."},
	{Name: "ssl.truststore.location", Type: String, Null: true, Mode: PerBroker, Doc: "The file of trusted certificates."},
	{Name: "ssl.truststore.password", Type: Password, Null: true, Mode: PerBroker, Doc: "The password of that file."},
	{Name: "ssl.truststore.type", Type: String, Default: "JKS", Mode: PerBroker, Doc: "Its format."},
})

// authBrokerConfigs decide who gets in, and would promise more than there is.
var authBrokerConfigs = unset(whySASL, []Config{
	{Name: "authorizer.class.name", Type: String, Default: "", Doc: "What decides who may do what."},
	{Name: "connections.max.reauth.ms", Type: Long, Default: "0", Doc: "How long a connection is good for before it must authenticate anew."},
	{Name: "delegation.token.expiry.time.ms", Type: Long, Default: "86400000", Bounds: atLeast(1), Doc: "How long a delegation token holds until it is renewed."},
	{Name: "delegation.token.max.lifetime.ms", Type: Long, Default: "604800000", Bounds: atLeast(1), Doc: "How long a delegation token holds in all."},
	{Name: "delegation.token.secret.key", Type: Password, Null: true, Doc: "The key that delegation tokens are signed with; without it there are none."},
	{Name: "principal.builder.class", Type: Class, Default: "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder", Mode: PerBroker, Doc: "What makes a principal of a connection."},
	{Name: "sasl.client.callback.handler.class", Type: Class, Null: true, Doc: "What answers the questions of SASL on a client's side."},
	{Name: "sasl.enabled.mechanisms", Type: List, Default: "GSSAPI", Mode: PerBroker, Doc: "The mechanisms that clients may authenticate with."},
	{Name: "sasl.jaas.config", Type: Password, Null: true, Mode: PerBroker, Doc: "Who brokers are, and how they know clients, as JAAS writes it."},
	{Name: "sasl.kerberos.principal.to.local.rules", Type: List, Default: "DEFAULT", Mode: PerBroker, Doc: "How a Kerberos principal becomes a short name."},
	{Name: "sasl.kerberos.service.name", Type: String, Null: true, Mode: PerBroker, Doc: "The name of the brokers' Kerberos principal."},
	{Name: "sasl.login.callback.handler.class", Type: Class, Null: true, Doc: "What answers the questions of a login."},
	{Name: "sasl.login.class", Type: Class, Null: true, Doc: "What logs in."},
	{Name: "sasl.mechanism.controller.protocol", Type: String, Default: "GSSAPI", Doc: "The mechanism that brokers authenticate to controllers with."},
	{Name: "sasl.mechanism.inter.broker.protocol", Type: String, Default: "GSSAPI", Mode: PerBroker, Doc: "The mechanism that brokers authenticate to each other with."},
	{Name: "sasl.oauthbearer.allow.unverified.audience", Type: Boolean, Default: "false", Doc: "Whether a token's audience is left unlooked at."},
	{Name: "sasl.oauthbearer.allow.unverified.issuer", Type: Boolean, Default: "false", Doc: "Whether a token's issuer is left unlooked at."},
	{Name: "sasl.oauthbearer.assertion.file", Type: String, Null: true, Doc: "The file of an assertion to get tokens with."},
	{Name: "sasl.oauthbearer.assertion.private.key.file", Type: String, Null: true, Doc: "The file of the key that assertions are signed with."},
	{Name: "sasl.oauthbearer.assertion.private.key.passphrase", Type: Password, Null: true, Doc: "The passphrase of that key."},
	{Name: "sasl.oauthbearer.assertion.template.file", Type: String, Null: true, Doc: "The file of what assertions say."},
	{Name: "sasl.oauthbearer.client.credentials.client.id", Type: String, Null: true, Doc: "The client id to get tokens with."},
	{Name: "sasl.oauthbearer.client.credentials.client.secret", Type: Password, Null: true, Doc: "The secret to get tokens with."},
	{Name: "sasl.oauthbearer.expected.audience", Type: List, Default: "", Doc: "The audiences, one of which a token must name."},
	{Name: "sasl.oauthbearer.expected.issuer", Type: String, Null: true, Doc: "The issuer that a token must name."},
	{Name: "sasl.oauthbearer.jwks.endpoint.url", Type: String, Null: true, Doc: "Where the keys of tokens are."},
	{Name: "sasl.oauthbearer.jwt.retriever.class", Type: Class, Default: "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever", Doc: "What gets tokens."},
	{Name: "sasl.oauthbearer.jwt.validator.class", Type: Class, Default: "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator", Doc: "What checks tokens."},
	{Name: "sasl.oauthbearer.token.endpoint.url", Type: String, Null: true, Doc: "Where tokens come from."},
	{Name: "sasl.server.callback.handler.class", Type: Class, Null: true, Doc: "What answers the questions of SASL on a broker's side."},
	{Name: "security.inter.broker.protocol", Type: String, Default: "PLAINTEXT", OneOf: []string{"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}, Doc: "The protocol among brokers, if inter.broker.listener.name is not set."},
	{Name: "security.providers", Type: String, Null: true, Doc: "What adds security algorithms to the runtime."},
})

// saslBrokerConfigs tune mechanisms of authentication.
var saslBrokerConfigs = doing(Unauthenticated, []Config{
	{Name: "connection.failed.authentication.delay.ms", Type: Int, Default: "100", Bounds: atLeast(0), Doc: "How long a connection that failed to authenticate stays open."},
	{Name: "delegation.token.expiry.check.interval.ms", Type: Long, Default: "3600000", Bounds: atLeast(1), Doc: "How often expired delegation tokens are looked for."},
	{Name: "sasl.kerberos.kinit.cmd", Type: String, Default: "/usr/bin/kinit", Mode: PerBroker, Doc: "The kinit command."},
	{Name: "sasl.kerberos.min.time.before.relogin", Type: Long, Default: "60000", Mode: PerBroker, Doc: "How long a login is left alone."},
	{Name: "sasl.kerberos.ticket.renew.jitter", Type: Double, Default: "0.05", Mode: PerBroker, Doc: "Share of random time added to the renewal."},
	{Name: "sasl.kerberos.ticket.renew.window.factor", Type: Double, Default: "0.8", Mode: PerBroker, Doc: "Share of a ticket's life after which it is renewed."},
	{Name: "sasl.login.connect.timeout.ms", Type: Int, Null: true, Doc: "How long connecting to the provider of tokens may take."},
	{Name: "sasl.login.read.timeout.ms", Type: Int, Null: true, Doc: "How long its answer may take."},
	{Name: "sasl.login.refresh.buffer.seconds", Type: Short, Default: "300", Mode: PerBroker, Doc: "How long before its end a token is renewed."},
	{Name: "sasl.login.refresh.min.period.seconds", Type: Short, Default: "60", Mode: PerBroker, Doc: "How long a token is left alone."},
	{Name: "sasl.login.refresh.window.factor", Type: Double, Default: "0.8", Mode: PerBroker, Doc: "Share of a token's life after which it is renewed."},
	{Name: "sasl.login.refresh.window.jitter", Type: Double, Default: "0.05", Mode: PerBroker, Doc: "Share of random time added to that."},
	{Name: "sasl.login.retry.backoff.max.ms", Type: Long, Default: "10000", Doc: "The longest pause between tries to get a token."},
	{Name: "sasl.login.retry.backoff.ms", Type: Long, Default: "100", Doc: "The first such pause."},
	{Name: "sasl.oauthbearer.assertion.algorithm", Type: String, Default: "RS256", OneOf: []string{"ES256", "RS256"}, Doc: "How assertions are signed."},
	{Name: "sasl.oauthbearer.assertion.claim.aud", Type: String, Null: true, Doc: "The audience that assertions name."},
	{Name: "sasl.oauthbearer.assertion.claim.exp.seconds", Type: Int, Default: "300", Bounds: between(0, 86400), Doc: "How long assertions hold."},
	{Name: "sasl.oauthbearer.assertion.claim.iss", Type: String, Null: true, Doc: "The issuer that assertions name."},
	{Name: "sasl.oauthbearer.assertion.claim.jti.include", Type: Boolean, Default: "false", Doc: "Whether assertions have an id."},
	{Name: "sasl.oauthbearer.assertion.claim.nbf.seconds", Type: Int, Default: "60", Bounds: between(0, 3600), Doc: "How long before now assertions hold from."},
	{Name: "sasl.oauthbearer.assertion.claim.sub", Type: String, Null: true, Doc: "The subject that assertions name."},
	{Name: "sasl.oauthbearer.clock.skew.seconds", Type: Int, Default: "30", Doc: "How far the clocks may differ that tokens are checked by."},
	{Name: "sasl.oauthbearer.jwks.endpoint.refresh.ms", Type: Long, Default: "3600000", Doc: "How often keys of tokens are got anew."},
	{Name: "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", Type: Long, Default: "10000", Doc: "The longest pause between tries to get them."},
	{Name: "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", Type: Long, Default: "100", Doc: "The first such pause."},
	{Name: "sasl.oauthbearer.scope", Type: String, Null: true, Doc: "The scope that tokens are asked for with."},
	{Name: "sasl.oauthbearer.scope.claim.name", Type: String, Default: "scope", Doc: "The claim that has a token's scope."},
	{Name: "sasl.oauthbearer.sub.claim.name", Type: String, Default: "sub", Doc: "The claim that has a token's subject."},
	{Name: "sasl.server.max.receive.size", Type: Int, Default: "524288", Doc: "The most bytes that a client may send to authenticate."},
})
