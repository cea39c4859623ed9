package provider

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLS is how the provider's certificate is checked and which of ours is shown.
type TLS struct {
	CA         string `json:"ca" doc:"file of certificates to trust instead of the system's"`
	Cert       string `json:"cert" doc:"file with our own certificate"`
	Key        string `json:"key" doc:"file with its key"`
	ServerName string `json:"server_name" doc:"name to expect in the server's certificate instead of the URL's host"`
}

func (s *TLS) config() (*tls.Config, error) {
	if (s.Cert == "") != (s.Key == "") {
		return nil, errors.New("tls.cert and tls.key belong together; one of them is missing")
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.ServerName}
	if s.CA != "" {
		pem, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, fmt.Errorf("tls.ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca: %s holds no certificate in PEM form", s.CA)
		}
	}
	if s.Cert != "" {
		pair, err := tls.LoadX509KeyPair(s.Cert, s.Key)
		if err != nil {
			return nil, fmt.Errorf("tls.cert and tls.key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
