package pluginsdk

import (
	"errors"
	"fmt"
	"reflect"
)

// DecodeSettings reads a JSON object into the struct that v points to as
// Plugin.Settings is read: by the same tags, and with an error for what the struct
// does not have. It is for what belongs to settings but comes from elsewhere, such
// as a file. All faults are reported at once.
func DecodeSettings(raw []byte, v any) error {
	if err := checkSettingsType(v); err != nil {
		return err
	}
	value, diags := newSettings(v).decode(raw)
	if len(diags) == 0 {
		reflect.ValueOf(v).Elem().Set(value)
		return nil
	}
	var faults []error
	for _, d := range diags {
		faults = append(faults, fmt.Errorf("%s", d.Summary))
	}
	return errors.Join(faults...)
}
