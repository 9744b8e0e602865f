"""The ``clipd`` command, for whoever sets clipd up."""
